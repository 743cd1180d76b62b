/** A line without axes, as small as a word. */

import { line } from "d3-shape";

interface Props {
  points: number[];
  width?: number;
  height?: number;
}

export function Sparkline({ points, width = 72, height = 20 }: Props) {
  if (points.length < 2) return <svg width={width} height={height} aria-hidden="true" />;
  const low = Math.min(...points);
  const span = Math.max(...points) - low || 1;
  const path = line<number>()
    .x((_, index) => 1 + (index / (points.length - 1)) * (width - 2))
    .y((value) => height - 2 - ((value - low) / span) * (height - 4));
  return (
    <svg width={width} height={height} className="spark" aria-hidden="true">
      <path d={path(points) ?? ""} />
    </svg>
  );
}
