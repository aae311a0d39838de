import { CircleCheck, CircleDashed, Loader } from "lucide-react";
import type { Agent } from "../model";
import { Badge, type Look } from "../ui/badge";

const LOOKS: Record<Agent["status"], Look> = {
  online: { label: "Online", tone: "good", icon: CircleCheck },
  busy: { label: "Busy", tone: "busy", icon: Loader },
  offline: { label: "Offline", tone: "neutral", icon: CircleDashed },
};

export function AgentStatus({ status }: { status: Agent["status"] | undefined }) {
  return <Badge look={LOOKS[status ?? "offline"]} />;
}

/** How many of its slots are taken, as a row of places. */
export function Slots({ agent }: { agent: Agent }) {
  const used = agent.slotsInUse ?? 0;
  return (
    <span className="inline-flex items-center gap-1.5" title={`${used} of ${agent.slots} slots in use`}>
      {agent.slots <= 8 && (
        <span aria-hidden="true" className="flex gap-0.5">
          {Array.from({ length: agent.slots }, (_, slot) => (
            <span key={slot} className={`h-3 w-1.5 rounded-sm ${slot < used ? "bg-busy" : "bg-line-strong/50"}`} />
          ))}
        </span>
      )}
      <span className="tabular-nums">
        {used}/{agent.slots}
      </span>
    </span>
  );
}

export function rate(percent: number | null | undefined): string {
  return typeof percent === "number" ? `${Math.round(percent)} %` : "not known";
}
