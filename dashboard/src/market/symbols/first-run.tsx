/** In place of the symbols while there is no tick yet: how to send ticks. */

export function FirstRun() {
  return (
    <div className="empty">
      <h2>No ticks yet</h2>
      <p>
        Symbols appear here with their first tick. Send ticks to the topic <code>price_ticks</code>, as{" "}
        <code>{"{symbol, price, volume, ts}"}</code>, or to <code>stock_prices</code>, as{" "}
        <code>{"{symbol, price, timestamp}"}</code>.
      </p>
      <p>
        Simulated ones: <code>python -m tools.simulator --market</code>
      </p>
      <p>
        Those of a file: <code>python -m tools.replay FILE</code>
      </p>
      <p>
        Both send to the Kafka of the setting <code>KAFKA_BROKERS</code>. The flow{" "}
        <code>python -m bytewax.run dataflows.ticks</code> must run.
      </p>
    </div>
  );
}
