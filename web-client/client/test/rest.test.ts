import { describe, expect, it, vi } from "vitest";
import { Rest } from "../src/rest.js";

interface Seen {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: unknown;
}

function server(...answers: (Response | Error)[]) {
  const seen: Seen[] = [];
  const rest = new Rest({
    token: "bk_1_s",
    fetch: async (url, init) => {
      seen.push({ url: String(url), method: init?.method ?? "", headers: init?.headers as Record<string, string>, body: init?.body });
      const answer = answers.shift();
      if (!answer || answer instanceof Error) throw answer ?? new Error("not asked for");
      return answer;
    },
  });
  return { rest, seen };
}

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

describe("the REST side", () => {
  it("reads a list page by page, with the key in its header", async () => {
    const { rest, seen } = server(json({ items: [{ id: "a" }], nextCursor: "c 1" }), json({ items: [{ id: "b" }] }));
    expect((await rest.openInterventions()).map((each) => each.id)).toEqual(["a", "b"]);
    expect(seen.map((each) => each.url)).toEqual([
      "/api/orchestration/interventions?status=pending&limit=200",
      "/api/orchestration/interventions?status=pending&limit=200&cursor=c+1",
    ]);
    expect(seen[0]?.headers["x-api-key"]).toBe("bk_1_s");
  });

  it("gives each change a key of its own, unless told one", async () => {
    const { rest, seen } = server(json({}), json({}), new Response(null, { status: 204 }));
    await rest.change("POST", "/x", { a: 1 });
    await rest.change("POST", "/x", { a: 1 });
    await rest.change("DELETE", "/x", undefined, "again");
    const keys = seen.map((each) => each.headers["Idempotency-Key"]);
    expect(keys[0]).not.toBe(keys[1]);
    expect(keys[2]).toBe("again");
    expect(seen[0]?.body).toBe('{"a":1}');
  });

  it("throws the server's problem", async () => {
    const problem = { code: "not_found", title: "No such process", status: 404 };
    const { rest } = server(json(problem, 404));
    await expect(rest.process("p/1")).rejects.toMatchObject({ problem });
  });

  it("knows nothing of the caller where the server does not say", async () => {
    const { rest } = server(json({ code: "not_found", title: "No such route", status: 404 }, 404));
    expect(await rest.me()).toBeNull();
  });

  it.each([
    ["a gateway's page", new Response("<h1>Bad gateway</h1>", { status: 502 }), "unavailable"],
    ["no network", new TypeError("fetch failed"), "unavailable"],
    ["a page instead of an answer", new Response("<html>", { status: 200 }), "internal"],
    ["a bare refusal", new Response("", { status: 401 }), "unauthenticated"],
  ])("says what to make of %s", async (_what, answer, code) => {
    const { rest } = server(answer);
    await expect(rest.get("/x")).rejects.toMatchObject({ code });
  });

  it("finds the workspace's own room among others made by hand: the oldest", async () => {
    const { rest } = server(json({ items: [{ id: "by-hand" }, { id: "own" }] }));
    expect((await rest.workspaceRoom()).id).toBe("own");
  });

  it("tries again what failed for the moment, as often as it is told, under one idempotency key", async () => {
    vi.useFakeTimers();
    const seen: string[] = [];
    const busy = () => new Response(JSON.stringify({ code: "unavailable", title: "Busy", status: 503 }), { status: 503, headers: { "retry-after": "2" } });
    const answers = [busy(), new TypeError("fetch failed"), json({ id: "p1" }, 201)];
    const fetch = async (_url: unknown, init?: RequestInit) => {
      seen.push((init?.headers as Record<string, string>)["Idempotency-Key"] ?? "");
      const answer = answers.shift();
      if (!(answer instanceof Response)) throw answer;
      return answer;
    };
    const started = new Rest({ token: "k", retries: 3, fetch: fetch as typeof globalThis.fetch }).change("POST", "/processes", {});
    await vi.advanceTimersByTimeAsync(1_900);
    expect(seen).toHaveLength(1); // the server asked for two seconds
    await vi.advanceTimersByTimeAsync(5_000);
    await expect(started).resolves.toEqual({ id: "p1" });
    expect(new Set(seen).size).toBe(1);
    vi.useRealTimers();
  });

  it("does not try again what is refused for good", async () => {
    const { seen } = server();
    const refused = new Rest({ token: "k", retries: 3, fetch: (async () => (seen.push({ url: "", method: "", headers: {}, body: null }), json({ code: "forbidden", title: "No", status: 403 }, 403))) as typeof fetch });
    await expect(refused.get("/x")).rejects.toMatchObject({ code: "forbidden" });
    expect(seen).toHaveLength(1);
  });
});
