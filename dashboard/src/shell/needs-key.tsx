/** Stands in for a part of a page that only the admin key opens. `what` begins the sentence. */

import { withKey } from "./session";

export function NeedsKey({ what }: { what: string }) {
  return (
    <div className="empty-note">
      <p>{what} can be seen with the admin key.</p>
      <button type="button" className="button" onClick={() => void withKey(() => {})}>
        Give the key
      </button>
    </div>
  );
}
