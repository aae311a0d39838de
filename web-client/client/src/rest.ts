import { backoffMs } from "./backoff.js";
import { newId } from "./ids.js";
import type {
  AgentHandoff,
  AgentInUse,
  AgentTeam,
  CollaborationRoom,
  CreateTeam,
  HumanIntervention,
  InterventionAnswer,
  Key,
  List,
  MadeKey,
  Me,
  OrchestrationProcess,
  Permission,
  ProcessAction,
  StartProcess,
} from "./model.js";
import { BatonError, isProblem, isTransient, localProblem } from "./problem.js";
import { type Token, tokenNow } from "./socket.js";

export interface RestOptions {
  token: Token;
  /** Which workspace, for a credential of several. */
  workspaceId?: string;
  /** Origin of the server; by default that of the page. */
  url?: string;
  /**
   * How often what failed for the moment is tried again: no network, 429 and 503, after the time that the server names or a growing
   * pause. A change carries its `Idempotency-Key`, so that it takes effect once. Default 0: a page shows the failure instead.
   */
  retries?: number;
  fetch?: typeof fetch;
}

type Query = Record<string, string | number | boolean | undefined>;

const BASE = "/api/orchestration";
const PAGE = 200;
/** A server that asks for a longer pause is asked again after this. */
const MOST_PAUSE_MS = 30_000;
const NO_JSON = Symbol("no JSON");
/** A list is read page by page up to this many rows; a screen that may show more must page itself. */
const MOST_ROWS = 1_000;

/**
 * The REST side: what a backend uses, and snapshots to begin from. What changes afterwards comes over the socket.
 *
 * A refusal is thrown as `BatonError`, with the server's problem. Everything that has no method of its own is reached by `get`,
 * `all` and `change`, with paths under `/api/orchestration`.
 */
export class Rest {
  readonly #options: RestOptions;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** Who the key speaks for; null where the server does not say. */
  async me(): Promise<Me | null> {
    try {
      return await this.get<Me>("/me");
    } catch (error) {
      if (error instanceof BatonError && error.code === "not_found") return null;
      throw error;
    }
  }

  openInterventions(): Promise<HumanIntervention[]> {
    return this.all("/interventions", { status: "pending" });
  }

  intervention(id: string): Promise<HumanIntervention> {
    return this.get(`/interventions/${encodeURIComponent(id)}`);
  }

  /** The newest processes, at most 200. */
  async processes(): Promise<OrchestrationProcess[]> {
    return (await this.get<List<OrchestrationProcess>>("/processes", { limit: PAGE })).items;
  }

  process(id: string): Promise<OrchestrationProcess> {
    return this.get(`/processes/${encodeURIComponent(id)}`);
  }

  interventionsOf(processId: string): Promise<HumanIntervention[]> {
    return this.all(`/processes/${encodeURIComponent(processId)}/interventions`);
  }

  handoffsOf(processId: string): Promise<AgentHandoff[]> {
    return this.all(`/processes/${encodeURIComponent(processId)}/handoffs`);
  }

  /** The room of the whole workspace, where headlines of every process are echoed. */
  async workspaceRoom(): Promise<CollaborationRoom> {
    // More workspace rooms can be made by hand; the one that made itself is the oldest, and lists are newest first.
    const rooms = await this.all<CollaborationRoom>("/collaboration/rooms", { type: "workspace" });
    const room = rooms.at(-1);
    if (!room) throw new BatonError(localProblem("not_found", "There is no such room"));
    return room;
  }

  handoff(id: string): Promise<AgentHandoff> {
    return this.get(`/handoffs/${encodeURIComponent(id)}`);
  }

  /** Starts a process; the same `idempotencyKey` and body again give the first answer. */
  startProcess(process: StartProcess, idempotencyKey?: string): Promise<OrchestrationProcess> {
    return this.change("POST", "/processes", process, idempotencyKey);
  }

  changeProcess(id: string, change: { action: ProcessAction; mode?: "drain" | "interrupt"; reason?: string }): Promise<OrchestrationProcess> {
    return this.change("PUT", `/processes/${encodeURIComponent(id)}`, change);
  }

  respond(interventionId: string, answer: InterventionAnswer): Promise<HumanIntervention> {
    return this.change("PUT", `/interventions/${encodeURIComponent(interventionId)}`, answer);
  }

  teams(): Promise<AgentTeam[]> {
    return this.all("/teams", { status: "active" });
  }

  createTeam(team: CreateTeam): Promise<AgentTeam> {
    return this.change("POST", "/teams", team);
  }

  agents(): Promise<AgentInUse[]> {
    return this.all("/agents");
  }

  /** One page of the keys of the workspace, the newest first. */
  keys(cursor?: string): Promise<List<Key>> {
    return this.get("/keys", { limit: PAGE, cursor });
  }

  /** Makes a key for `user:ID`, `service:ID` or `agent:ID`. */
  createKey(key: { principal: string; permission: Permission; name?: string }): Promise<MadeKey> {
    return this.change("POST", "/keys", key);
  }

  revokeKey(id: string): Promise<void> {
    return this.change("DELETE", `/keys/${encodeURIComponent(id)}`);
  }

  /** Whether a CEL expression compiles, and if not, why. */
  checkExpression(expression: string): Promise<{ valid: boolean; message?: string }> {
    return this.change("POST", "/expressions/check", { expression });
  }

  /** Every row of a list, page by page; at most a thousand. */
  async all<T>(path: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.get<List<T>>(path, { ...query, limit: PAGE, cursor });
      items.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && items.length < MOST_ROWS);
    return items;
  }

  get<T>(path: string, query: Query = {}): Promise<T> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
    const search = parameters.size > 0 ? `?${parameters.toString()}` : "";
    return this.#send<T>("GET", path + search);
  }

  /** A change; `idempotencyKey` makes a repetition of it harmless. */
  change<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown, idempotencyKey = newId()): Promise<T> {
    return this.#send<T>(method, path, body, { "Idempotency-Key": idempotencyKey });
  }

  async #send<T>(method: string, path: string, body?: unknown, extra: Record<string, string> = {}): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#try<T>(method, path, body, extra);
      } catch (error) {
        if (!(error instanceof BatonError) || !isTransient(error.problem) || attempt >= (this.#options.retries ?? 0)) throw error;
        const asked = error.problem.context?.retryAfterMs;
        await new Promise((resolve) => setTimeout(resolve, typeof asked === "number" ? asked : backoffMs(attempt)));
      }
    }
  }

  async #try<T>(method: string, path: string, body: unknown, extra: Record<string, string>): Promise<T> {
    const { token, workspaceId, url = "", fetch: send = fetch } = this.#options;
    const headers: Record<string, string> = { accept: "application/json", "x-api-key": await tokenNow(token), ...extra };
    if (workspaceId !== undefined) headers["x-workspace-id"] = workspaceId;
    if (body !== undefined) headers["content-type"] = "application/json";
    let response: Response;
    try {
      const init: RequestInit = { method, headers, credentials: "same-origin" };
      response = await send(url + BASE + path, body === undefined ? init : { ...init, body: JSON.stringify(body) });
    } catch {
      throw new BatonError(localProblem("unavailable", "The server cannot be reached"));
    }
    if (response.status === 204) return undefined as T;
    const answer: unknown = await response.json().catch(() => NO_JSON);
    if (response.ok && answer !== NO_JSON) return answer as T;
    const after = Number(response.headers.get("retry-after"));
    const context = after > 0 ? { context: { retryAfterMs: Math.min(after * 1_000, MOST_PAUSE_MS) } } : {};
    if (isProblem(answer)) throw new BatonError({ ...context, ...answer });
    throw new BatonError({ ...context, ...localProblem(codeOf(response.status), `The server answered ${response.status}`), status: response.status });
  }
}

/** For an answer that is no Problem, as a proxy in between may give. */
function codeOf(status: number) {
  if (status < 300) return "internal";
  if (status === 401) return "unauthenticated";
  if (status === 403) return "forbidden";
  if (status === 404) return "not_found";
  return status >= 500 || status === 429 ? "unavailable" : "internal";
}
