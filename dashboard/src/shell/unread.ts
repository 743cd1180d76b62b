/** The number of alerts that nobody has read in this browser. The market's pages count them. */

import { Signal } from "../ui/signal";

export const unreadAlerts = new Signal(0);
