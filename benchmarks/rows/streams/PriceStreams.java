import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams, at least once: a state store with its changelog, one thread. */
public final class PriceStreams {
    private static final Map<String, Double> WEIGHTS = Map.of("view", 1.0, "cart", 3.0, "purchase", 5.0);
    private static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] arguments) {
        Properties options = new Properties();
        options.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("TARGET"));
        options.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("BROKERS"));
        options.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("STATE"));
        options.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        options.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        options.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        options.put(StreamsConfig.consumerPrefix("fetch.max.wait.ms"), 10);
        options.put(StreamsConfig.producerPrefix("linger.ms"), 2);
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore("products"), Serdes.String(), Serdes.ByteArray()).withCachingEnabled());
        builder.stream(System.getenv("SOURCE"), Consumed.with(Serdes.String(), Serdes.ByteArray()))
            .processValues(Pricing::new, "products")
            .to(System.getenv("TARGET"), Produced.with(Serdes.String(), Serdes.ByteArray()));
        KafkaStreams streams = new KafkaStreams(builder.build(), options);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        System.out.println("ready");
        streams.start();
    }

    private static final class Pricing implements FixedKeyProcessor<String, byte[], byte[]> {
        private FixedKeyProcessorContext<String, byte[]> context;
        private KeyValueStore<String, byte[]> store;

        @Override
        public void init(FixedKeyProcessorContext<String, byte[]> given) {
            context = given;
            store = given.getStateStore("products");
        }

        @Override
        public void process(FixedKeyRecord<String, byte[]> record) {
            try {
                JsonNode event = MAPPER.readTree(record.value());
                String product = event.get("product_id").asText();
                byte[] stored = store.get(product);
                ByteBuffer state = stored == null ? null : ByteBuffer.wrap(stored);
                double demand = (state == null ? 0 : state.getDouble(0)) + WEIGHTS.get(event.get("event_type").asText());
                long version = (state == null ? 0 : state.getLong(8)) + 1;
                double price = Math.rint((event.get("price").asDouble() + 5 * Math.sqrt(demand)) * 100) / 100;
                ObjectNode update = MAPPER.createObjectNode();
                update.put("type", "price_update").put("product_id", product).put("new_price", price);
                update.put("timestamp", event.get("timestamp").asLong()).put("version", version);
                update.put("previous_price", state == null ? null : (Double) state.getDouble(16));
                update.put("demand", demand);
                store.put(product, ByteBuffer.allocate(24)
                    .putDouble(demand).putLong(version).putDouble(price).array());
                context.forward(record.withValue(MAPPER.writeValueAsBytes(update)));
            } catch (java.io.IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
        }
    }
}
