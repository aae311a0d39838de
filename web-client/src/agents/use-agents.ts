import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useWorkspaceEvents } from "../live/use-list";
import type { Agent } from "../model";
import { useSession } from "../session/session";

const NONE: Agent[] = [];

/** Every agent of the registry with whether it is there; asked again when one comes or goes, and now and then for its slots. */
export function useAgentList() {
  const { rest } = useSession();
  const client = useQueryClient();
  const again = () => void client.invalidateQueries({ queryKey: ["agents"] });
  useWorkspaceEvents(
    ({ type }) => type.startsWith("agent.") && again(),
    true,
    (name) => name === "agent.presence" && again(),
  );
  return useQuery({ queryKey: ["agents"], queryFn: () => rest.all<Agent>("/agents"), refetchInterval: 5_000 });
}

export function useAgents(): Agent[] {
  return useAgentList().data ?? NONE;
}
