/** A price of the market with the direction of its last move. */

import { Moving } from "../prices/moving";
import { formatPrice } from "./prices";

interface Props {
  price: number;
  moved: -1 | 0 | 1;
  movedAt: number;
}

export function MovingPrice({ price, moved, movedAt }: Props) {
  return <Moving text={formatPrice(price)} moved={moved} movedAt={movedAt} />;
}
