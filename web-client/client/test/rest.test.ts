import { describe, expect, it } from "vitest";
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
});
