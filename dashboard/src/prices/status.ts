/** The state of the whole system, asked for every two seconds on every page. */

import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../api/client";

const STATUS_EVERY_MS = 2_000;

export function useStatus() {
  return useQuery({
    queryKey: ["status"],
    queryFn: () => answer(api.GET("/status")),
    refetchInterval: STATUS_EVERY_MS,
    refetchIntervalInBackground: true,
    retry: false,
  });
}
