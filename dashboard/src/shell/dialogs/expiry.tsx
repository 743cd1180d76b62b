/** The end of an override: never, after a preset, or at a moment. */

import { addDays, addHours, addMinutes } from "date-fns";
import { formatTime } from "../../ui/format";
import { endOfDay, momentText, readMoment, zoneName } from "../../ui/zone";

export const PRESETS: { name: string; label: string; end: (now: Date) => Date | null }[] = [
  { name: "none", label: "Until removed", end: () => null },
  { name: "15m", label: "15 minutes", end: (now) => addMinutes(now, 15) },
  { name: "1h", label: "1 hour", end: (now) => addHours(now, 1) },
  { name: "4h", label: "4 hours", end: (now) => addHours(now, 4) },
  { name: "day", label: "Until the end of today", end: (now) => endOfDay(now) },
  { name: "1d", label: "24 hours", end: (now) => addDays(now, 1) },
  { name: "7d", label: "7 days", end: (now) => addDays(now, 7) },
];

export interface Expiry {
  preset: string;
  /** The value of a datetime-local field, for the preset `at`: in the chosen zone. */
  at: string;
}

export const NO_EXPIRY: Expiry = { preset: "none", at: "" };

/** RFC 3339, or null for no end. Raises an Error for a moment that is not in the future. */
export function expiryTime(expiry: Expiry, now = new Date()): string | null {
  if (expiry.preset !== "at") {
    return (
      PRESETS.find((preset) => preset.name === expiry.preset)
        ?.end(now)
        ?.toISOString() ?? null
    );
  }
  const moment = readMoment(expiry.at);
  if (!moment) throw new Error("Choose when the override ends.");
  if (moment <= now) throw new Error("The end has to be in the future.");
  return moment.toISOString();
}

export function ExpiryField({ value, onChange }: { value: Expiry; onChange: (expiry: Expiry) => void }) {
  const end = value.preset === "at" ? null : expiryTime(value);
  return (
    <div className="row">
      <label className="field">
        <span>In force</span>
        <select value={value.preset} onChange={(event) => onChange({ ...value, preset: event.target.value })}>
          {PRESETS.map((preset) => (
            <option key={preset.name} value={preset.name}>
              {preset.label}
            </option>
          ))}
          <option value="at">Until a moment…</option>
        </select>
      </label>
      {value.preset === "at" ? (
        <label className="field">
          <span>Until ({zoneName()})</span>
          <input
            type="datetime-local"
            required
            min={momentText(new Date())}
            value={value.at}
            onChange={(event) => onChange({ ...value, at: event.target.value })}
          />
        </label>
      ) : end ? (
        <p className="dim small">
          Ends {formatTime(end)} ({zoneName()})
        </p>
      ) : null}
    </div>
  );
}
