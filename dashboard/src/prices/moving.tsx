/** An amount with the direction of its last move. Never by colour alone. */

import { memo } from "react";
import "./prices.css";

const FLASH_MS = 900;

interface Props {
  text: string;
  moved: -1 | 0 | 1;
  movedAt: number;
}

export const Moving = memo(function Moving({ text, moved, movedAt }: Props) {
  const fresh = moved !== 0 && Date.now() - movedAt < FLASH_MS;
  return (
    // A new key starts the flash again.
    <span key={movedAt} className={`amount ${fresh ? (moved > 0 ? "flash-up" : "flash-down") : ""}`}>
      <span className="arrow" aria-hidden="true">
        {moved > 0 ? "▲" : moved < 0 ? "▼" : ""}
      </span>
      {text}
      <span className="visually-hidden">{moved > 0 ? " up" : moved < 0 ? " down" : ""}</span>
    </span>
  );
});
