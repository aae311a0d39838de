import type { Priority, ProcessStatus, ProcessStep } from "@baton/client";
import {
  Ban,
  CircleCheck,
  CircleDashed,
  CirclePause,
  CirclePlay,
  CircleX,
  Hand,
  Hourglass,
  type LucideIcon,
  Redo2,
  RotateCw,
  Send,
  SkipForward,
} from "lucide-react";

export type Tone = "neutral" | "good" | "wait" | "bad" | "busy" | "accent";

export const TONE_CLASS: Record<Tone, string> = {
  neutral: "bg-sunken text-ink-soft",
  good: "bg-good-soft text-good",
  wait: "bg-wait-soft text-wait",
  bad: "bg-bad-soft text-bad",
  busy: "bg-busy-soft text-busy",
  accent: "bg-accent-soft text-accent-text",
};

export interface Look {
  label: string;
  tone: Tone;
  icon: LucideIcon;
}

export function Badge({ look }: { look: Look }) {
  const Icon = look.icon;
  return (
    <span className={`inline-flex h-6 items-center gap-1.5 rounded-full px-2 text-xs font-medium whitespace-nowrap ${TONE_CLASS[look.tone]}`}>
      <Icon className="size-3.5" aria-hidden="true" />
      {look.label}
    </span>
  );
}

const PROCESS: Record<ProcessStatus, Look> = {
  pending: { label: "Pending", tone: "neutral", icon: CircleDashed },
  running: { label: "Running", tone: "busy", icon: CirclePlay },
  paused: { label: "Paused", tone: "wait", icon: CirclePause },
  completed: { label: "Completed", tone: "good", icon: CircleCheck },
  failed: { label: "Failed", tone: "bad", icon: CircleX },
  cancelled: { label: "Cancelled", tone: "neutral", icon: Ban },
};

export function lookOfProcess(status: ProcessStatus): Look {
  return PROCESS[status];
}

/** A step under way is shown by its phase, an ended one by how it ended. */
export function lookOfStep({ status, phase }: Pick<ProcessStep, "status" | "phase">): Look {
  switch (status) {
    case "completed":
      return { label: "Completed", tone: "good", icon: CircleCheck };
    case "failed":
      return { label: "Failed", tone: "bad", icon: CircleX };
    case "skipped":
      return { label: "Skipped", tone: "neutral", icon: SkipForward };
    case "cancelled":
      return { label: "Cancelled", tone: "neutral", icon: Ban };
  }
  switch (phase) {
    case "awaiting_input":
      return { label: "Waits for a person", tone: "wait", icon: Hand };
    case "executing":
      return { label: "Executing", tone: "busy", icon: CirclePlay };
    case "offered":
      return { label: "Offered", tone: "busy", icon: Send };
    case "handing_off":
      return { label: "Handing over", tone: "accent", icon: Redo2 };
    case "backoff":
      return { label: "Will retry", tone: "wait", icon: RotateCw };
    case "ready":
      return { label: "Ready", tone: "accent", icon: Hourglass };
    default:
      return { label: status === "running" ? "Running" : "Blocked", tone: "neutral", icon: CircleDashed };
  }
}

const PRIORITY: Record<Priority, string> = {
  urgent: "bg-bad-soft text-bad",
  high: "bg-wait-soft text-wait",
  medium: "",
  low: "",
};

/** Only what is above the ordinary is worth a label. */
export function PriorityTag({ priority }: { priority: Priority }) {
  if (!PRIORITY[priority]) return null;
  return <span className={`rounded px-1.5 py-0.5 text-xs font-semibold capitalize ${PRIORITY[priority]}`}>{priority}</span>;
}
