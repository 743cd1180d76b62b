/** In place of the rows while there is no price yet: how to send events. */

export function FirstRun({ events }: { events: number }) {
  return (
    <div className="empty">
      <h2>No price yet</h2>
      <p>
        {events
          ? "Events have arrived; the first price is on its way."
          : "No event has arrived yet. Prices appear here with the first one."}
      </p>
      <p>
        Send a day of a real shop: <code>python -m tools.replay data/online-retail-2011-12-05.csv</code>
      </p>
      <p>
        Or a simulated one: <code>python -m tools.simulator</code>
      </p>
      <p>
        Both send to the Kafka of the setting <code>KAFKA_BROKERS</code>, as the flow reads from it.
      </p>
    </div>
  );
}
