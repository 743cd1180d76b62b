/** The alerts of the market, and the rules that raise them. */

import { Inbox } from "./alerts/inbox";
import { Rules } from "./alerts/rules";
import "./market.css";

export default function InboxPage() {
  return (
    <div className="page">
      <header className="title">
        <div>
          <h1>Alerts</h1>
          <p className="dim">A rule watches one symbol, and raises an alert when its condition becomes true.</p>
        </div>
      </header>
      <div className="columns">
        <Inbox />
        <Rules />
      </div>
    </div>
  );
}
