/** Draws the dialog that is open. Each is loaded when it is first needed. */

import { lazy, Suspense } from "react";
import { useSignal } from "../../ui/signal";
import { close, type Opened, opened } from "./opened";

const BulkDialog = lazy(async () => ({ default: (await import("./bulk-dialog")).BulkDialog }));
const FreezeDialog = lazy(async () => ({ default: (await import("./freeze-dialog")).FreezeDialog }));
const HelpDialog = lazy(async () => ({ default: (await import("./help-dialog")).HelpDialog }));
const KeyDialog = lazy(async () => ({ default: (await import("./key-dialog")).KeyDialog }));
const OverrideDialog = lazy(async () => ({ default: (await import("./override-dialog")).OverrideDialog }));

export function Dialogs() {
  const dialog = useSignal(opened);
  return <Suspense>{dialog ? <Shown dialog={dialog} /> : null}</Suspense>;
}

function Shown({ dialog }: { dialog: Opened }) {
  switch (dialog.kind) {
    case "key":
      return <KeyDialog onDone={dialog.done} />;
    case "override":
      return <OverrideDialog ids={dialog.ids} onClose={close} />;
    case "bulk":
      return <BulkDialog onClose={close} />;
    case "freeze":
      return <FreezeDialog scope={dialog.scope} onClose={close} />;
    case "help":
      return <HelpDialog onClose={close} />;
  }
}
