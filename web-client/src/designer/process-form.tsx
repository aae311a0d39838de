import type { AgentTeam, JsonObject, Priority } from "@baton/client";
import { Users } from "lucide-react";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Field } from "../ui/field";
import { errorOf } from "./conditions-form";
import { type Definition, withFields } from "./definition";
import type { Faults } from "./faults";
import { NewTeam } from "../teams/new-team";
import { Check } from "./step-form";
import { ValuesForm } from "./values-form";

const PRIORITIES: readonly Priority[] = ["low", "medium", "high", "urgent"];

interface Props {
  definition: Definition;
  teams: readonly AgentTeam[];
  faults: Faults;
  onChange(definition: Definition, of?: string): void;
  onTeamMade(team: AgentTeam): void;
}

/** What is said of the process as a whole. */
export function ProcessForm({ definition, teams, faults, onChange, onTeamMade }: Props) {
  const { may } = useSession();
  const set = (fields: { [Name in keyof Definition]?: Definition[Name] | undefined }, of?: string) => onChange(withFields(definition, fields), of);
  const context = definition.context ?? {};
  const setContext = (name: "sharedData" | "variables") => (values: JsonObject | undefined, of?: string) => {
    const next = withFields(context, { [name]: values });
    set({ context: Object.keys(next).length > 0 ? next : undefined }, of);
  };
  const known = teams.some(({ id }) => id === definition.teamId);
  return (
    <div className="flex flex-col gap-5">
      <div className="flex flex-col gap-3">
        <Field label="Name of the process" {...errorOf(faults.of("name"))}>
          {(id, describedBy) => (
            <input id={id} className="field h-9 w-full" value={definition.name} aria-describedby={describedBy} aria-invalid={faults.of("name") !== undefined} onChange={(event) => set({ name: event.target.value }, "process name")} />
          )}
        </Field>
        <Field label="Team" {...errorOf(faults.of("teamId"))}>
          {(id, describedBy) => (
            <select id={id} className="field h-9 w-full" value={definition.teamId} aria-describedby={describedBy} aria-invalid={faults.of("teamId") !== undefined} onChange={(event) => set({ teamId: event.target.value })}>
              {definition.teamId === "" && <option value="">Choose a team</option>}
              {definition.teamId !== "" && !known && <option value={definition.teamId}>{definition.teamId}</option>}
              {teams.map((team) => (
                <option key={team.id} value={team.id}>
                  {team.name}
                </option>
              ))}
            </select>
          )}
        </Field>
        {may("teams:create") && (
          <NewTeam
            trigger={
              <Button tone="quiet" className="self-start">
                <Users className="size-4" aria-hidden="true" /> Make a team
              </Button>
            }
            onMade={onTeamMade}
          />
        )}
        <Field label="Description" {...errorOf(faults.of("description"))}>
          {(id) => <textarea id={id} rows={2} className="field w-full py-1.5" value={definition.description ?? ""} onChange={(event) => set({ description: event.target.value || undefined }, "process description")} />}
        </Field>
        <Field label="Priority" {...errorOf(faults.of("priority"))}>
          {(id) => (
            <select id={id} className="field h-9 w-full capitalize" value={definition.priority ?? "medium"} onChange={(event) => set({ priority: event.target.value === "medium" ? undefined : (event.target.value as Priority) })}>
              {PRIORITIES.map((priority) => (
                <option key={priority} value={priority}>
                  {priority}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Check label="One failed step ends the process" checked={definition.failFast ?? true} onChange={(on) => set({ failFast: on ? undefined : false })} />
      </div>
      <ValuesForm label="Shared data" hint="What the steps share; expressions see it by name." values={context.sharedData ?? {}} faultOf={(name) => faults.of(`context.sharedData.${name}`)} onChange={setContext("sharedData")} />
      <ValuesForm label="Variables" hint="Fixed values, in expressions as variables.name." values={context.variables ?? {}} faultOf={(name) => faults.of(`context.variables.${name}`)} onChange={setContext("variables")} />
    </div>
  );
}
