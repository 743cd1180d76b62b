/** A price of the market with the direction of its last move. Never by colour alone. */

import { memo } from "react";
import "../prices/prices.css";
import { formatPrice } from "./prices";

const FLASH_MS = 900;

interface Props {
  price: number;
  moved: -1 | 0 | 1;
  movedAt: number;
}

export const MovingPrice = memo(function MovingPrice({ price, moved, movedAt }: Props) {
  const fresh = moved !== 0 && Date.now() - movedAt < FLASH_MS;
  return (
    // A new key starts the flash again.
    <span key={movedAt} className={`amount ${fresh ? (moved > 0 ? "flash-up" : "flash-down") : ""}`}>
      <span className="arrow" aria-hidden="true">
        {moved > 0 ? "▲" : moved < 0 ? "▼" : ""}
      </span>
      {formatPrice(price)}
      <span className="visually-hidden">{moved > 0 ? " up" : moved < 0 ? " down" : ""}</span>
    </span>
  );
});
