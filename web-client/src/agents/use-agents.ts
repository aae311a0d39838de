import { useQuery } from "@tanstack/react-query";
import type { Agent } from "../model";
import { useSession } from "../session/session";

const NONE: Agent[] = [];

/** Every agent of the registry with whether it is there; asked again, since its connection is no event of the log. */
export function useAgentList() {
  const { rest } = useSession();
  return useQuery({ queryKey: ["agents"], queryFn: () => rest.all<Agent>("/agents"), refetchInterval: 5_000 });
}

export function useAgents(): Agent[] {
  return useAgentList().data ?? NONE;
}
