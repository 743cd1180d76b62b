/** From the base price to the final one: every amount, as a bar and in words. */

import type { Adjustment } from "../api/types";
import { useMoney, useRules } from "../prices/policy";

export interface Step {
  rule: string;
  reason: string;
  amount: number;
  from: number;
  to: number;
  kind: "base" | "rule" | "guardrail" | "total";
}

/** Running totals, in whole minor units so that they add up. `guardrails` are the names of the guardrails. `scale`: minor
 * units in one unit of the currency. */
export function stepsOf(
  adjustments: Adjustment[],
  price: number,
  guardrails: ReadonlySet<string>,
  scale: number,
): Step[] {
  let sum = 0;
  const steps: Step[] = adjustments.map(({ rule, amount, reason }, index) => {
    const from = sum;
    sum = Math.round((sum + amount) * scale) / scale;
    const kind = index === 0 ? "base" : guardrails.has(rule) ? "guardrail" : "rule";
    return { rule, reason, amount, from, to: sum, kind };
  });
  return [...steps, { rule: "price", reason: "", amount: price, from: 0, to: price, kind: "total" }];
}

export function Waterfall({ adjustments, price }: { adjustments: Adjustment[]; price: number }) {
  const { guardrails } = useRules();
  const { scale } = useMoney();
  const steps = stepsOf(adjustments, price, guardrails, scale);
  const highest = Math.max(...steps.flatMap((step) => [step.from, step.to]), 1 / scale);
  return (
    <table className="waterfall">
      <caption className="visually-hidden">How the price adds up</caption>
      <thead className="visually-hidden">
        <tr>
          <th scope="col">Rule</th>
          <th scope="col">Share</th>
          <th scope="col">Amount</th>
          <th scope="col">Reason</th>
        </tr>
      </thead>
      <tbody>
        {steps.map((step, index) => (
          <StepRow key={index} step={step} highest={highest} />
        ))}
      </tbody>
    </table>
  );
}

/** `highest` is the amount that fills the whole width of the bar. */
function StepRow({ step, highest }: { step: Step; highest: number }) {
  const money = useMoney();
  const share = (amount: number) => `${(Math.max(0, amount) / highest) * 100}%`;
  const whole = step.kind === "base" || step.kind === "total";
  return (
    <tr className={step.kind}>
      <th scope="row">{step.rule}</th>
      <td className="bar" aria-hidden="true">
        <span
          className={whole ? "whole" : step.amount < 0 ? "minus" : "plus"}
          style={{
            left: share(Math.min(step.from, step.to)),
            width: share(Math.abs(step.to - step.from)),
          }}
        />
      </td>
      <td className="numbers">{whole ? money.format(step.amount) : money.formatSigned(step.amount)}</td>
      <td className="dim">{step.reason}</td>
    </tr>
  );
}
