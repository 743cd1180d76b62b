/** The notice that the licence of the charts' library asks for. */
export function ChartNotice() {
  return (
    <>
      Chart:{" "}
      <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">
        TradingView Lightweight Charts™
      </a>
      , © TradingView, Inc.
    </>
  );
}
