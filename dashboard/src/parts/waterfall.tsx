/** From the base price to the final one: every amount, as a bar and in words. */

import type { Adjustment } from "../api";
import { formatMoney, formatSignedMoney } from "../lib/format";

const GUARDRAILS = new Set(["max_step", "cooldown", "floor", "ceiling", "ending", "held", "freeze"]);

export interface Step {
  rule: string;
  reason: string;
  amount: number;
  from: number;
  to: number;
  kind: "base" | "rule" | "guardrail" | "total";
}

/** Running totals, in whole cents so that they add up. */
export function stepsOf(adjustments: Adjustment[], price: number): Step[] {
  let sum = 0;
  const steps: Step[] = adjustments.map(({ rule, amount, reason }, index) => {
    const from = sum;
    sum = Math.round((sum + amount) * 100) / 100;
    const kind = index === 0 ? "base" : GUARDRAILS.has(rule) ? "guardrail" : "rule";
    return { rule, reason, amount, from, to: sum, kind };
  });
  return [...steps, { rule: "price", reason: "", amount: price, from: 0, to: price, kind: "total" }];
}

export function Waterfall({ adjustments, price }: { adjustments: Adjustment[]; price: number }) {
  const steps = stepsOf(adjustments, price);
  const highest = Math.max(...steps.flatMap((step) => [step.from, step.to]), 0.01);
  const share = (amount: number) => `${(Math.max(0, amount) / highest) * 100}%`;
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
          <tr key={index} className={step.kind}>
            <th scope="row">{step.rule}</th>
            <td className="bar" aria-hidden="true">
              <span
                className={
                  step.kind === "total" || step.kind === "base" ? "whole" : step.amount < 0 ? "minus" : "plus"
                }
                style={{
                  left: share(Math.min(step.from, step.to)),
                  width: share(Math.abs(step.to - step.from)),
                }}
              />
            </td>
            <td className="numbers">
              {index === 0 || step.kind === "total" ? formatMoney(step.amount) : formatSignedMoney(step.amount)}
            </td>
            <td className="dim">{step.reason}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
