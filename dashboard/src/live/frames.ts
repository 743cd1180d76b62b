/** A number that grows once for each frame of the screen in which something has changed. */

import { Signal } from "../ui/signal";

export class Frames extends Signal<number> {
  private due = false;

  constructor() {
    super(0);
  }

  /** Something has changed: listeners hear of it with the next frame. */
  touch(): void {
    if (this.due) return;
    this.due = true;
    const draw = () => {
      this.due = false;
      this.set(this.value + 1);
    };
    // A hidden page draws no frames: updates change its data only.
    if (typeof requestAnimationFrame === "undefined") setTimeout(draw, 16);
    else requestAnimationFrame(draw);
  }
}
