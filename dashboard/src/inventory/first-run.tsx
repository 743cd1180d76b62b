/** In place of the inventory while nothing is known of any stock: the topics that it comes from. */

export function FirstRun() {
  return (
    <div className="empty">
      <h2>No stock, clicks or competitors yet</h2>
      <p>
        Products appear here with a <code>stock_level</code> on <code>product-catalogue</code>, or with their first
        message on <code>web_clicks</code>, <code>competitor_prices</code>, <code>purchases</code> or{" "}
        <code>restocks</code>.
      </p>
      <p>
        Simulated ones: <code>python -m tools.simulator --signals</code>
      </p>
    </div>
  );
}
