import { describe, expect, it } from "vitest";
import type { Definition } from "../src/designer/definition";
import { faultsOf, fieldLabel, readable, stillTold } from "../src/designer/faults";
import { definitionOf, rowsOf, schemaOf, type Template, templateOf } from "../src/designer/templates";
import { reduce } from "../src/designer/use-draft";

const definition: Definition = { name: "P", teamId: "t", steps: [{ key: "a", name: "A" }, { key: "b", name: "B", dependencies: ["a"] }] };
const told = [
  { path: "teamId", message: "there is no such team" },
  { path: "steps[1].conditions[0].condition", message: "does not compile at line 1, column 4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '}'}" },
];

describe("what is wrong with a definition", () => {
  it("is found at the step and field that it belongs to", () => {
    const faults = faultsOf(definition, told, false);
    expect(faults.of("teamId")).toBe("there is no such team");
    expect(faults.ofStep(1, "conditions[0].condition")).toBe("does not compile at character 4: it ends too early");
    expect(faults.ofStep(1, "conditions")).toBe("does not compile at character 4: it ends too early");
    expect(faults.ofStep(1, "condition")).toBeUndefined();
    expect(faults.ofStep(0, "conditions")).toBeUndefined();
    expect([faults.count(0), faults.count(1)]).toEqual([0, 1]);
  });

  it("is not what is merely not filled in yet, until somebody tries to start", () => {
    const empty = { name: " ", teamId: "", steps: [{ name: "" }] };
    expect(faultsOf(empty, [], false).all).toEqual([]);
    expect(faultsOf(empty, [], true).all.map(({ path }) => path)).toEqual(["name", "teamId", "steps[0].name"]);
    expect(faultsOf({ ...empty, steps: [] }, [], true).all.map(({ path }) => path)).toEqual(["name", "teamId", "steps"]);
  });

  it("is seen at once where two steps have one key, or a key is none", () => {
    const twice: Definition = { ...definition, steps: [{ key: "a", name: "A" }, { key: "a", name: "B" }, { key: "ä", name: "C" }] };
    expect(faultsOf(twice, [], false).all.map(({ path }) => path)).toEqual(["steps[1].key", "steps[2].key"]);
  });

  it("is forgotten of what was changed since, and of nothing else", () => {
    const renamed = { ...definition, steps: [definition.steps[0]!, { ...definition.steps[1]!, name: "C" }] };
    expect(stillTold(told, definition, renamed)).toEqual([told[0]]);
    expect(stillTold(told, definition, { ...definition, teamId: "u" })).toEqual([told[1]]);
    expect(stillTold(told, definition, { ...definition, name: "Q" })).toEqual(told);
  });

  it("is said in words", () => {
    expect(readable("must be from 1 to 100")).toBe("must be from 1 to 100");
    expect(fieldLabel("conditions[2].nextStepId")).toBe("condition 3");
    expect(fieldLabel("inputs.topic.$from")).toBe("input topic");
    expect(fieldLabel("maxAttempts")).toBe("attempts");
    expect(fieldLabel("context.variables.x")).toBe("context.variables.x");
  });
});

describe("the history of a draft", () => {
  const named = (name: string): Definition => ({ name, teamId: "", steps: [] });
  const start = { past: [], now: named(""), future: [], of: undefined };

  it("undoes and does again", () => {
    let state = reduce(start, { do: "change", to: named("a") });
    state = reduce(state, { do: "change", to: named("b") });
    state = reduce(state, { do: "undo" });
    expect(state.now.name).toBe("a");
    state = reduce(reduce(state, { do: "undo" }), { do: "undo" });
    expect(state.now.name).toBe("");
    state = reduce(reduce(state, { do: "redo" }), { do: "redo" });
    expect(state.now.name).toBe("b");
  });

  it("takes typing into one field as one change", () => {
    let state = start as Parameters<typeof reduce>[0];
    for (const name of ["N", "Ne", "New"]) state = reduce(state, { do: "change", to: named(name), of: "name" });
    expect(reduce(state, { do: "undo" }).now.name).toBe("");
  });

  it("forgets what was undone once something else is done", () => {
    const state = reduce(reduce(reduce(start, { do: "change", to: named("a") }), { do: "undo" }), { do: "change", to: named("b") });
    expect(reduce(state, { do: "redo" }).now.name).toBe("b");
    expect(state.future).toEqual([]);
  });
});

describe("a template", () => {
  const kept: Template = {
    id: "t1",
    version: 2,
    name: "Weekly",
    failFast: true,
    steps: [
      { key: "a", name: "A", description: "", dependencies: [], triggerRule: "all_succeeded", conditions: [], inputs: {}, requiresApproval: false, assignedAgentId: null, metadata: {} },
      { key: "b", name: "B", dependencies: ["a"], triggerRule: "any_failed", inputs: { topic: { $from: "variables.topic" } }, maxAttempts: 0 },
    ],
  };

  it("is drawn on without what the server has filled in", () => {
    expect(definitionOf(kept, "team")).toEqual({
      name: "Weekly",
      teamId: "team",
      steps: [
        { key: "a", name: "A" },
        { key: "b", name: "B", dependencies: ["a"], triggerRule: "any_failed", inputs: { topic: { $from: "variables.topic" } }, maxAttempts: 0 },
      ],
    });
  });

  it("is what a definition says but for the team", () => {
    const definition = { ...definitionOf(kept, "team"), failFast: false, priority: "high" as const };
    expect(templateOf(definition)).toEqual({ name: "Weekly", steps: definition.steps, failFast: false, priority: "high" });
  });

  it("asks for what the variables suggest", () => {
    const rows = rowsOf({ topic: "bees", depth: 3, share: 0.5, urgent: true, list: [1] });
    expect(rows.map(({ name, kind }) => [name, kind])).toEqual([["topic", "string"], ["depth", "integer"], ["share", "number"], ["urgent", "boolean"]]);
    expect(schemaOf(rows.slice(0, 2))).toEqual({
      type: "object",
      properties: { topic: { type: "string", default: "bees" }, depth: { type: "integer", default: 3 } },
      required: ["topic", "depth"],
      additionalProperties: false,
    });
    expect(schemaOf([])).toBeUndefined();
  });
});
