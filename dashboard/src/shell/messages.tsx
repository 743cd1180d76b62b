/** Draws the notices at the edge of the page, each perhaps with a button that takes the change back. */

import { Toast } from "radix-ui";
import { useSignal } from "../ui/signal";
import { announcement, dismiss, type Notice, notices, notifyProblem, UNDO_MS } from "./notices";

export function Messages() {
  const shown = useSignal(notices);
  const said = useSignal(announcement);
  return (
    <Toast.Provider duration={UNDO_MS} swipeDirection="down">
      {shown.map((notice) => (
        <Message key={notice.id} notice={notice} />
      ))}
      <Toast.Viewport className="toasts" />
      <div className="visually-hidden" aria-live="polite">
        {said}
      </div>
    </Toast.Provider>
  );
}

function Message({ notice }: { notice: Notice }) {
  return (
    <Toast.Root className={`toast ${notice.kind}`} onOpenChange={(isOpen) => !isOpen && dismiss(notice.id)}>
      <Toast.Title>{notice.text}</Toast.Title>
      {notice.undo ? (
        <Toast.Action asChild altText="Undo the change">
          <button type="button" className="button" onClick={() => notice.undo?.().catch(notifyProblem)}>
            Undo
          </button>
        </Toast.Action>
      ) : null}
      <Toast.Close className="icon" aria-label="Dismiss">
        ×
      </Toast.Close>
    </Toast.Root>
  );
}
