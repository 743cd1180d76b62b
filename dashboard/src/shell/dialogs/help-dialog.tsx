/** The keyboard shortcuts. */

import { Modal } from "../../ui/modal";

const KEYS: [string, string][] = [
  ["/", "Search"],
  ["↑ ↓  or  j k", "Move through the board"],
  ["Enter", "Open the product"],
  ["x", "Select the row"],
  ["o", "Set the price of the row, the selection or the product"],
  ["f", "Freeze: stop prices from moving"],
  ["u", "Set prices from a CSV"],
  ["p", "Pause and resume live updates"],
  ["g b   g i   g s", "Board, interventions, system"],
  ["t", "Theme: system, light, dark"],
  ["d", "Density"],
  ["z", "Time zone: this computer's or UTC"],
  ["Esc", "Close, or back to the board"],
  ["?", "This help"],
];

export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Modal title="Keyboard" onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
