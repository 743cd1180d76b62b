/** The chart of the sales: revenue of each group, and the margin in it. Days are columns, in order; all others are bars, the
 * greatest first. */

import type { SalesGroup } from "../api/types";
import { useMoney } from "../prices/policy";
import { type By, columnsOf, GROUPS, shareOf } from "./groups";

/** Bars that have room; the table below has all groups. */
const BARS = 12;

interface ChartProps {
  groups: SalesGroup[];
  by: By;
  nameOf: (key: string) => string;
}

export function Chart({ groups, by, nameOf }: ChartProps) {
  const hasMargin = groups.some((group) => group.margin !== null);
  return (
    <figure className="sales-chart card">
      <figcaption className="row">
        <span className="key revenue">{by === "rule" ? "Amount" : "Revenue"}</span>
        {hasMargin ? <span className="key margin">Margin</span> : null}
        <span className="dim">by {GROUPS[by].toLowerCase()}</span>
        {by !== "day" && groups.length > BARS ? (
          <span className="dim">
            the first {BARS} of {groups.length}
          </span>
        ) : null}
      </figcaption>
      {by === "day" ? <Columns groups={groups} /> : <Bars groups={groups.slice(0, BARS)} nameOf={nameOf} />}
    </figure>
  );
}

function Columns({ groups }: { groups: SalesGroup[] }) {
  const money = useMoney();
  const days = columnsOf(groups);
  const most = Math.max(...days.map((day) => day.revenue), 0);
  return (
    <>
      <div className="dim most">{money.format(most)}</div>
      <ol className="days">
        {days.map((day) => (
          <li key={day.key} title={`${day.key}: ${money.format(day.revenue)}${marginText(day, money.format)}`}>
            <span className="revenue" style={{ blockSize: `${shareOf(day.revenue, most) * 100}%` }}>
              <span className="visually-hidden">
                {day.key}: {money.format(day.revenue)}
                {marginText(day, money.format)}
              </span>
            </span>
            <span className="margin" style={{ blockSize: `${shareOf(day.margin ?? 0, most) * 100}%` }} />
          </li>
        ))}
      </ol>
      <div className="row dim">
        <span>{days[0]?.key}</span>
        <div className="spacer" />
        {days.length > 1 ? <span>{days.at(-1)?.key}</span> : null}
      </div>
    </>
  );
}

function Bars({ groups, nameOf }: { groups: SalesGroup[]; nameOf: (key: string) => string }) {
  const money = useMoney();
  const most = Math.max(...groups.map((group) => Math.abs(group.revenue)), 0);
  return (
    <ol className="bars-of-groups">
      {groups.map((group) => (
        <li key={group.key}>
          <bdi>{nameOf(group.key)}</bdi>
          <span className="track">
            <span
              className={group.revenue < 0 ? "revenue below" : "revenue"}
              style={{ inlineSize: `${shareOf(group.revenue, most) * 100}%` }}
            />
            <span className="margin" style={{ inlineSize: `${shareOf(group.margin ?? 0, most) * 100}%` }} />
          </span>
          <span className="amount">
            {money.format(group.revenue)}
            <span className="visually-hidden">{marginText(group, money.format)}</span>
          </span>
        </li>
      ))}
    </ol>
  );
}

const marginText = ({ margin }: { margin: number | null }, format: (amount: number) => string) =>
  margin === null ? "" : `, margin ${format(margin)}`;
