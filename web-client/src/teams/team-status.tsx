import { Archive, CircleCheck, CirclePause } from "lucide-react";
import type { AgentTeam } from "../model";
import { Badge, type Look } from "../ui/badge";

const LOOKS: Record<AgentTeam["status"], Look> = {
  active: { label: "Active", tone: "good", icon: CircleCheck },
  inactive: { label: "Inactive", tone: "wait", icon: CirclePause },
  archived: { label: "Archived", tone: "neutral", icon: Archive },
};

export function TeamStatus({ status }: { status: AgentTeam["status"] }) {
  return <Badge look={LOOKS[status]} />;
}
