/** The keyboard shortcuts. */

import { Modal } from "../../ui/modal";

const KEYS: [string, string][] = [
  ["/", "Search"],
  ["↑ ↓  or  j k", "Move through the board or the symbols"],
  ["Enter", "Open the product or the symbol"],
  ["x", "Select the row"],
  ["o", "Set the price of the row, the selection or the product"],
  ["f", "Freeze: stop prices from moving"],
  ["u", "Set prices from a CSV"],
  ["p", "Pause and resume live updates"],
  ["g b   g i   g n   g e   g w   g s", "Board, interventions, inventory, sales, what if, system"],
  ["g m   g a", "Market: symbols, alerts"],
  ["t", "Theme: system, light, dark"],
  ["d", "Density"],
  ["z", "Time zone: this computer's or UTC"],
  ["Esc", "Close, or back to the list"],
  ["?", "This help"],
];

const CHART_KEYS: [string, string][] = [
  ["← →", "Move the crosshair by one bar"],
  ["+ −", "Zoom in and out"],
  ["c", "Candles or a line"],
  ["1 2 3 4 5", "Range: 5 minutes, 15 minutes, 60 minutes, a day, all"],
];

export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Modal title="Keyboard" onClose={onClose}>
      <Keys keys={KEYS} />
      <h3>Chart of a symbol</h3>
      <Keys keys={CHART_KEYS} />
    </Modal>
  );
}

function Keys({ keys }: { keys: [string, string][] }) {
  return (
    <dl className="keys">
      {keys.map(([key, what]) => (
        <div key={key}>
          <dt>
            <kbd>{key}</kbd>
          </dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  );
}
