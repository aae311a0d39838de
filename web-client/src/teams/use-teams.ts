import { useQuery } from "@tanstack/react-query";
import type { AgentTeam } from "../model";
import { useSession } from "../session/session";

const NONE: AgentTeam[] = [];

/** Every team, for naming and choosing; empty while it is on its way. */
export function useTeams(): AgentTeam[] {
  const { rest } = useSession();
  return useQuery({ queryKey: ["teams"], queryFn: () => rest.all<AgentTeam>("/teams"), staleTime: 30_000 }).data ?? NONE;
}
