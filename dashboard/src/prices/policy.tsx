/** The policy in force, as far as the pages need it: the currency, and the names of rules and guardrails. */

import { createContext, type ReactNode, use, useEffect, useMemo } from "react";
import { Money } from "./money";
import { Rules } from "./rules";
import { useStatus } from "./status";
import { usePrices } from "./store";

/** Until the first answer of the API, which comes a moment after the first rows. */
const AT_START = { currency: "GBP", decimals: 2 };

const Policy = createContext({ money: new Money(AT_START.currency, AT_START.decimals), rules: new Rules([]) });

/** Gives the policy to all components below it, and the guardrails' names to the price store. */
export function PolicyProvider({ children }: { children: ReactNode }) {
  const prices = usePrices();
  const { data: status } = useStatus();
  const { currency, decimals } = status?.policy ?? AT_START;
  // The query keeps the same list as long as its content is equal.
  const listed = status?.policy.rules;
  const money = useMemo(() => new Money(currency, decimals), [currency, decimals]);
  const rules = useMemo(() => new Rules(listed ?? []), [listed]);
  useEffect(() => {
    if (listed) prices.knowGuardrails(rules.guardrails);
  }, [prices, listed, rules]);
  const policy = useMemo(() => ({ money, rules }), [money, rules]);
  return <Policy value={policy}>{children}</Policy>;
}

export const useMoney = (): Money => use(Policy).money;
export const useRules = (): Rules => use(Policy).rules;
