import { afterEach, expect, test, vi } from "vitest";
import { removeOverrides, setOverrides } from "../../src/api/overrides";

const CHANGES = Array.from({ length: 250 }, (_, index) => ({ product_id: `P${index}`, override_price: 1 }));

/** The API answers the first request; the second one ends as given. */
function secondRequest(ends: () => Response | Promise<Response>) {
  let requests = 0;
  vi.stubGlobal("fetch", async (request: Request) => {
    requests += 1;
    if (requests > 1) return ends();
    const body = await request.json();
    const ids = body.product_ids ?? body.changes.map((change: { product_id: string }) => change.product_id);
    const results = ids.map((product_id: string) => ({ product_id, status: "upserted", deleted: true }));
    return Response.json({ results });
  });
  return () => requests;
}

afterEach(() => vi.unstubAllGlobals());

const counts = (results: { status: string }[]) =>
  results.reduce<Record<string, number>>((sum, { status }) => ({ ...sum, [status]: (sum[status] ?? 0) + 1 }), {});

test("what was set before a request without an answer is not forgotten, and what is not known is said", async () => {
  const requests = secondRequest(() => Promise.reject(new TypeError("network")));
  const results = await setOverrides(CHANGES);
  expect(requests()).toBe(2);
  expect(counts(results)).toEqual({ upserted: 100, "not confirmed": 100, refused: 50 });
  expect(results.map((result) => result.product_id)).toEqual(CHANGES.map((change) => change.product_id));
  expect(results[100]?.error).toContain("may still take effect");
  expect(results[249]?.error).toContain("nothing was changed");
});

test.each([
  [503, "not confirmed"],
  [502, "not confirmed"],
  [401, "refused"],
  [400, "refused"],
])("a request that is answered with %d is %s", async (status, expected) => {
  secondRequest(() => Response.json({ error: "no" }, { status }));
  const results = await setOverrides(CHANGES);
  expect(results[0]?.status).toBe("upserted");
  expect(results[100]?.status).toBe(expected);
  if (expected === "refused") expect(results[100]?.error).toBe("no");
});

test("removals are counted in the same way", async () => {
  secondRequest(() => Promise.reject(new TypeError("network")));
  const results = await removeOverrides(CHANGES.map((change) => change.product_id));
  expect(results.filter((result) => result.deleted).length).toBe(100);
  expect(results[100]).toMatchObject({ product_id: "P100", deleted: false, status: "not confirmed" });
  expect(results[249]).toMatchObject({ deleted: false, status: "refused" });
});
