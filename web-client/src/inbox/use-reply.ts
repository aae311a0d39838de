import { type BatonError, type HumanIntervention, type InterventionAnswer, newId, toBatonError } from "@baton/client";
import { useState } from "react";
import { useSession } from "../session/session";

export interface Reply {
  sending: boolean;
  error: BatonError | undefined;
  answer(reply: InterventionAnswer): Promise<boolean>;
  claim(): Promise<boolean>;
  assign(assignees: string[]): Promise<boolean>;
  delegate(to: string, comments: string | undefined): Promise<boolean>;
  remind(): Promise<boolean>;
  comment(text: string): Promise<boolean>;
}

/** What can be done with one intervention. The page changes when the server has said that it did. */
export function useReply({ id, round, subjectHash, claimedBy }: HumanIntervention): Reply {
  const { connection, inbox, rest } = useSession();
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<BatonError>();

  const run = async (work: () => Promise<HumanIntervention | undefined>): Promise<boolean> => {
    setSending(true);
    setError(undefined);
    const show = (now: HumanIntervention) => inbox.update((all) => ({ ...all, [id]: { ...all[id], ...now } }));
    try {
      const now = await work();
      if (now) show(now);
      return true;
    } catch (cause) {
      const failure = toBatonError(cause);
      const decided = failure.problem.context?.intervention;
      // Somebody else was faster: show what they decided instead of an error.
      if (failure.code === "already_resolved" && decided) show(decided as HumanIntervention);
      else setError(failure);
      return false;
    } finally {
      setSending(false);
    }
  };
  return {
    sending,
    error,
    // The answer names what it answers, so that it cannot count for a later round or a changed subject.
    answer: (reply) =>
      run(async () => {
        const basis = { interventionId: id, responseId: newId(), round, subjectHash };
        return interventionIn((await connection.command("intervention:respond", { ...reply, ...basis })).data);
      }),
    claim: () => run(async () => interventionIn((await connection.command(claimedBy ? "intervention:release" : "intervention:claim", { interventionId: id })).data)),
    assign: (assignees) => run(async () => interventionIn(await rest.change("POST", `/interventions/${id}/assign`, { assignees }))),
    delegate: (to, comments) => run(async () => interventionIn(await rest.change("POST", `/interventions/${id}/delegate`, { to, ...(comments ? { comments } : {}) }))),
    remind: () => run(async () => interventionIn(await rest.change("POST", `/interventions/${id}/remind`, {}))),
    comment: (text) => run(async () => interventionIn(await rest.change("POST", `/interventions/${id}/comments`, { text }))),
  };
}

/** The reply to a command on an intervention is the intervention, alone or under its name; a vote may be told without it. */
function interventionIn(data: unknown): HumanIntervention | undefined {
  const inner = (data as { intervention?: HumanIntervention } | null)?.intervention;
  if (inner) return inner;
  return typeof (data as HumanIntervention | null)?.requestedAt === "string" ? (data as HumanIntervention) : undefined;
}
