/** Amounts in units of 1e-8, exact. Sums of doubles would differ from those of the server in their last digits. */

const DECIMALS = 8;

export const toUnits = (amount: number): bigint => BigInt(amount.toFixed(DECIMALS).replace(".", ""));

/** The nearest double. */
export function fromUnits(units: bigint): number {
  const text = String(units).padStart(DECIMALS + 1, "0");
  return Number(`${text.slice(0, -DECIMALS)}.${text.slice(-DECIMALS)}`);
}

/** The mean price by volume, rounded half to even to 8 decimals; null without volume. `turnover` is in squares of units. */
export function vwapOf(turnover: bigint, volume: bigint): number | null {
  if (volume === 0n) return null;
  const [quotient, rest] = [turnover / volume, turnover % volume];
  const half = 2n * rest - volume;
  const up = half > 0n || (half === 0n && quotient % 2n === 1n);
  return fromUnits(up ? quotient + 1n : quotient);
}

/** The turnover of a bar of the server: its volume at its mean price. */
export function turnoverOf(vwap: number | null, volume: bigint): bigint {
  return vwap === null ? 0n : toUnits(vwap) * volume;
}
