import type { HumanIntervention, ProcessStep, RoomEvent } from "@baton/client";
import {
  Activity,
  Ban,
  CircleAlert,
  CircleCheck,
  CircleDot,
  CirclePause,
  CirclePlay,
  CircleX,
  Eye,
  Hand,
  Hourglass,
  Lightbulb,
  type LucideIcon,
  MessageCircleQuestion,
  MessageSquare,
  Redo2,
  Reply,
  RotateCw,
  Send,
  SkipForward,
  TriangleAlert,
  Undo2,
  UserPlus,
} from "lucide-react";
import { ending } from "../inbox/looks";
import type { Tone } from "../ui/badge";

/** One event as a line of the timeline. */
export interface Line {
  icon: LucideIcon;
  tone: Tone;
  /** Who did it; absent where the text says it. */
  who?: string;
  text: string;
  /** Markdown under the line. */
  body?: string;
  /** A message of somebody, rather than a record of what happened. */
  spoken?: boolean;
  /** Where the text leads. */
  to?: string;
}

/** What later events only name by id. */
export interface Names {
  steps: ReadonlyMap<string, string>;
  asked: ReadonlyMap<string, string>;
}

type Data = Record<string, unknown>;

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

export function namesIn(events: readonly RoomEvent[], known: readonly ProcessStep[] = []): Names {
  const steps = new Map<string, string>(known.map((step) => [step.id, step.name]));
  const asked = new Map<string, string>();
  for (const { type, data } of events as readonly RoomEvent<Data>[]) {
    if (type === "process.created") {
      for (const step of (data.steps ?? []) as { id: string; name: string }[]) steps.set(step.id, step.name);
    } else if (type === "intervention.requested") {
      asked.set(String(data.id), String(data.description));
    }
  }
  return { steps, asked };
}

/** The names that a process's own page knows without its log. */
export function namesOf(steps: readonly ProcessStep[], interventions: readonly HumanIntervention[]): Names {
  return {
    steps: new Map(steps.map((step) => [step.id, step.name])),
    asked: new Map(interventions.map((each) => [each.id, each.description])),
  };
}

export function describe(event: RoomEvent<Data>, names: Names): Line {
  const line = lineOf(event, names);
  return line.who === undefined ? { ...line, text: line.text.charAt(0).toUpperCase() + line.text.slice(1) } : line;
}

function lineOf(event: RoomEvent<Data>, names: Names): Line {
  const { type, actor, data } = event;
  const [subject, verb = ""] = type.split(".");
  const who = actor.kind === "system" ? undefined : actor.name || actor.id;
  const by = who === undefined ? {} : { who };
  const patch = data.step as { id?: string; key?: string } | undefined;
  const stepId = event.stepId ?? text(data.stepId) ?? patch?.id ?? (subject === "step" ? String(data.id) : "");
  const step = names.steps.get(stepId) ?? text(data.key) ?? patch?.key ?? "a step";
  const reason = text(data.reason);
  const error = text((data.error as Data | undefined)?.message);
  switch (subject) {
    case "message":
      if (verb === "edited" || verb === "removed") return { ...by, icon: MessageSquare, tone: "neutral", text: `${verb} a message` };
      return { ...by, icon: data.kind === "question" ? MessageCircleQuestion : MessageSquare, tone: "neutral", spoken: true, text: spokenKind(text(data.kind)), ...body(text(data.body)) };
    case "communication":
      return communication(verb, data);
    case "process":
      return { ...(verb === "completed" || verb === "failed" ? {} : by), ...processLine(verb, who !== undefined), ...body(reason ?? error) };
    case "step":
      return stepLine(verb, step, data, by, error);
    case "assignment":
      return { ...(ASSIGNMENT[verb] ?? ((agent: string) => record(`${agent}: ${verb}`)))(String(data.agentId), step), ...body(reason) };
    case "handoff":
      return { ...by, ...handoff(verb, data, step), ...body(reason) };
    case "intervention":
      return interventionLine(verb, data, by, names.asked.get(String(data.id)));
    case "room":
      return { icon: UserPlus, tone: "neutral", ...roomLine(verb, data) };
    case "alert":
      return alertLine(verb, data, by);
    case "recommendation":
      return { icon: Lightbulb, tone: "accent", text: String(data.message) };
    case "rule":
      return { icon: CircleDot, tone: "neutral", text: verb === "fired" ? `rule ${String(data.ruleId)} fired: ${String(data.action)}` : `rule ${String(data.ruleId)} no longer holds` };
    case "custom":
      return { ...by, icon: CircleDot, tone: "neutral", text: `broadcast ${verb}`, ...body(`\`\`\`json\n${JSON.stringify(data, null, 2)}\n\`\`\``) };
    default:
      return { ...by, ...record(type) };
  }
}

function body(markdown: string | undefined): { body?: string } {
  return markdown === undefined ? {} : { body: markdown };
}

function record(line: string): Line {
  return { icon: CircleDot, tone: "neutral", text: line };
}

function spokenKind(kind: string | undefined): string {
  if (kind === "question") return "asks";
  if (kind === "answer") return "answers";
  if (kind === "request") return "requests";
  if (kind === "notification") return "notes";
  return kind === "update" ? "reports" : "says";
}

function communication(verb: string, data: Data): Line {
  const from = String(data.fromAgentId);
  const to = String(data.toAgentId);
  if (verb === "expired") return { icon: CircleAlert, tone: "wait", who: to, text: `did not answer ${from} in time` };
  if (verb === "responded") {
    const response = data.response as Data | undefined;
    return { icon: Reply, tone: "neutral", who: to, spoken: true, text: `answers ${from}`, ...body(text(response?.message)) };
  }
  return { icon: Send, tone: "neutral", who: from, spoken: true, text: `to ${to}`, ...body(text(data.message)) };
}

const PROCESS: Record<string, { icon: LucideIcon; tone: Tone }> = {
  created: { icon: CircleDot, tone: "neutral" },
  started: { icon: CirclePlay, tone: "busy" },
  paused: { icon: CirclePause, tone: "wait" },
  resumed: { icon: CirclePlay, tone: "busy" },
  retried: { icon: RotateCw, tone: "busy" },
  completed: { icon: CircleCheck, tone: "good" },
  failed: { icon: CircleX, tone: "bad" },
  cancelled: { icon: Ban, tone: "neutral" },
};

function processLine(verb: string, bySomebody: boolean): Line {
  const look = PROCESS[verb] ?? { icon: CircleDot, tone: "neutral" };
  // Nobody completes or fails a process: it does so by itself, when its last step ends.
  if (verb === "completed" || verb === "failed") return { ...look, text: `the process ${verb}` };
  return { ...look, text: bySomebody ? `${verb} the process` : `the process was ${verb}` };
}

function stepLine(verb: string, step: string, data: Data, by: { who?: string }, error: string | undefined): Line {
  const agent = text(data.agentId);
  switch (verb) {
    case "ready":
      return { icon: Hourglass, tone: "accent", text: `${step} is ready` };
    case "started":
      return { icon: CirclePlay, tone: "busy", ...(agent === undefined ? by : { who: agent }), text: `started ${step}` };
    case "progress": {
      const percent = typeof data.percent === "number" ? ` ${Math.round(data.percent)} %` : "";
      return { icon: Activity, tone: "busy", ...by, text: `${step}${percent}${text(data.note) ? `: ${text(data.note)}` : ""}` };
    }
    case "completed":
      return { icon: CircleCheck, tone: "good", ...by, text: `completed ${step}` };
    case "failed":
      return { icon: CircleX, tone: "bad", ...by, text: `failed ${step}`, ...body(error) };
    case "retry_scheduled":
      return { icon: RotateCw, tone: "wait", text: `${step} will be tried again`, ...body(error) };
    case "skipped":
      return { icon: SkipForward, tone: "neutral", text: `${step} was skipped` };
    case "cancelled":
      return { icon: Ban, tone: "neutral", text: `${step} was cancelled` };
    default:
      return record(`${step}: ${verb}`);
  }
}

const ASSIGNMENT: Record<string, (agent: string, step: string) => Line> = {
  offered: (agent, step) => ({ icon: Send, tone: "neutral", text: `${step} offered to ${agent}` }),
  accepted: (agent, step) => ({ icon: CirclePlay, tone: "busy", who: agent, text: `took ${step}` }),
  rejected: (agent, step) => ({ icon: Undo2, tone: "wait", who: agent, text: `declined ${step}` }),
  expired: (agent, step) => ({ icon: CircleAlert, tone: "bad", who: agent, text: `lost ${step}: its lease expired` }),
  released: (agent, step) => ({ icon: Undo2, tone: "neutral", who: agent, text: `gave back ${step}` }),
  suspended: (agent, step) => ({ icon: Hourglass, tone: "wait", who: agent, text: `set ${step} aside until it is answered` }),
  cancelled: (agent, step) => ({ icon: Ban, tone: "neutral", text: `${step} was taken from ${agent}` }),
};

function handoff(verb: string, data: Data, step: string): Line {
  const to = text(data.toAgentId) ?? ((data.candidates as string[] | undefined) ?? []).join(", ");
  switch (verb) {
    case "requested":
      return { icon: Redo2, tone: "accent", text: `wants to hand ${step} over to ${to}` };
    case "accepted":
      return { icon: Redo2, tone: "accent", text: `took ${step} over` };
    case "completed":
      return { icon: CircleCheck, tone: "good", text: `handoff of ${step} completed` };
    default:
      return { icon: Redo2, tone: verb === "cancelled" ? "neutral" : "wait", text: `handoff of ${step} ${verb}` };
  }
}

function interventionLine(verb: string, data: Data, by: { who?: string }, asked: string | undefined): Line {
  const to = `/inbox/${String(data.id)}`;
  const what = asked ?? "what was asked";
  switch (verb) {
    case "requested":
      return { icon: Hand, tone: "wait", ...by, text: `asks a person: ${String(data.description)}`, to };
    case "completed": {
      const response = data.response as Data | undefined;
      const how = ending(data as never);
      const decider = text(response?.providedBy) ?? by.who;
      return {
        ...(decider === undefined ? {} : { who: decider }),
        icon: CircleCheck,
        tone: data.outcome === "rejected" ? "bad" : "good",
        text: `${how.toLowerCase()}: ${what}`,
        to,
        ...body(text(response?.comments)),
      };
    }
    case "commented":
      return { icon: MessageSquare, tone: "neutral", ...by, text: `on “${what}”`, to, ...body(text((data.comment as Data | undefined)?.text)) };
    case "expired":
    case "cancelled":
      return { icon: Ban, tone: "neutral", text: `${verb === "expired" ? "Expired unanswered" : "Withdrawn"}: ${what}`, to };
    case "voted":
      return { icon: Hand, tone: "neutral", ...by, text: `voted “${text((data.vote as Data | undefined)?.action) ?? "?"}”: ${what}`, to };
    case "assigned":
      return { icon: UserPlus, tone: "neutral", ...by, text: `${data.delegatedBy ? "passed on" : "assigned"} to ${((data.assignees as string[] | undefined) ?? []).join(", ") || "everybody"}: ${what}`, to };
    case "superseded":
      return { icon: Hand, tone: "wait", ...by, text: `changed what is asked: ${text((data.question as Data | undefined)?.description) ?? what}`, to };
    case "late_reply":
      return { icon: CircleAlert, tone: "neutral", ...by, text: `answered too late: ${what}`, to };
    default:
      return { icon: Hand, tone: "neutral", ...by, text: `${verb}: ${what}`, to };
  }
}

function alertLine(verb: string, data: Data, by: { who?: string }): Line {
  if (verb === "raised") return { icon: TriangleAlert, tone: data.severity === "low" || data.severity === "medium" ? "wait" : "bad", text: String(data.message) };
  if (verb === "acknowledged") return { ...by, icon: Eye, tone: "neutral", text: "has seen the alert" };
  return { ...by, icon: CircleCheck, tone: "good", text: by.who === undefined ? "the alert is resolved" : "resolved the alert", ...body(text(data.resolution)) };
}

function roomLine(verb: string, data: Data): { who?: string; text: string } {
  const who = text(data.name) ?? text(data.id) ?? "somebody";
  if (verb === "created") return { text: "the room was opened" };
  if (verb === "participant_joined") return { who, text: `joined as ${String(data.role)}` };
  if (verb === "participant_left") return { who, text: "left" };
  if (verb === "role_changed") return { who, text: `is now ${String(data.role)}` };
  return { text: verb === "archived" ? "the room was archived" : verb };
}
