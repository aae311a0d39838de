import { describe, expect, it } from "vitest";
import {
  addStep,
  connect,
  connectFault,
  type Definition,
  disconnect,
  EMPTY,
  keysOf,
  parse,
  placeOf,
  removeStep,
  renameStep,
  textOf,
  updateStep,
} from "../src/designer/definition";

const diamond: Definition = {
  name: "Diamond",
  teamId: "t",
  steps: [
    { key: "a", name: "A" },
    { key: "b", name: "B", dependencies: ["a"] },
    { key: "c", name: "C", dependencies: ["a"], conditions: [{ type: "success", condition: "x > 1", action: "continue", nextStepId: "d" }] },
    { key: "d", name: "D", dependencies: ["b", "c"] },
  ],
};

describe("a definition", () => {
  it("round-trips exactly, with fields that no form knows and values that no form would write", () => {
    const written = {
      name: "P",
      teamId: "t",
      steps: [{ name: "A", key: null, metadata: { colour: "red" }, inputs: { n: 1.5, list: [null, { $from: "x" }] }, unknown: true }],
      context: { variables: { k: [1, 2] } },
      failFast: false,
    };
    const text = JSON.stringify(written, null, 2);
    const read = parse(text);
    expect("definition" in read && textOf(read.definition)).toBe(text);
  });

  it("keeps what it is not told to change, in the order in which it was written", () => {
    const read = parse('{"priority":"high","steps":[{"zeta":1,"name":"A","alpha":2}],"teamId":"t","name":"P"}') as { definition: Definition };
    expect(JSON.stringify(updateStep(read.definition, 0, { name: "B" }))).toBe(
      '{"priority":"high","steps":[{"zeta":1,"name":"B","alpha":2}],"teamId":"t","name":"P"}',
    );
  });

  it.each([
    ["{", /JSON/],
    ["[]", /object/],
    ['{"name":"P","teamId":"t"}', /steps/],
    ['{"name":"P","teamId":"t","steps":[7]}', /steps\[0\]/],
    ['{"name":"P","teamId":"t","steps":[{"dependencies":"a"}]}', /dependencies/],
    ['{"name":"P","teamId":"t","steps":[{"conditions":[1]}]}', /conditions/],
    ['{"name":"P","teamId":"t","steps":[{"inputs":[]}]}', /inputs/],
  ])("says what cannot be drawn of %s", (text, fault) => {
    expect(parse(text)).toEqual({ fault: expect.stringMatching(fault) });
  });

  it("gives a new step a key of its own, after another if wanted", () => {
    const one = addStep(EMPTY);
    const two = addStep(one, "step_1");
    expect(two.steps[1]).toEqual({ key: "step_2", name: "Step 2", dependencies: ["step_1"] });
    expect(addStep(removeStep(two, 0)).steps.map(({ key }) => key)).toEqual(["step_2", "step_3"]);
  });

  it("renames a step everywhere", () => {
    const next = renameStep(diamond, 0, "start");
    expect(next.steps.map(({ dependencies }) => dependencies)).toEqual([undefined, ["start"], ["start"], ["b", "c"]]);
    expect(renameStep(diamond, 3, "end").steps[2]?.conditions?.[0]?.nextStepId).toBe("end");
    expect(diamond.steps[1]?.dependencies).toEqual(["a"]);
  });

  it("removes a step with what names it, and pins the keys that its place gave", () => {
    const next = removeStep(diamond, 3);
    expect(next.steps[2]?.conditions?.[0]).toEqual({ type: "success", condition: "x > 1", action: "continue" });
    expect(removeStep(diamond, 0).steps.map(({ dependencies }) => dependencies)).toEqual([undefined, undefined, ["b", "c"]]);
    const unnamed: Definition = { name: "", teamId: "", steps: [{ name: "A" }, { name: "B" }, { name: "C", dependencies: ["step_2"] }] };
    expect(keysOf(removeStep(unnamed, 0))).toEqual(["step_2", "step_3"]);
  });

  it("connects what makes no circle", () => {
    expect(connectFault(diamond, "a", "d")).toBeUndefined();
    expect(connect(diamond, "a", "d").steps[3]?.dependencies).toEqual(["b", "c", "a"]);
    expect(connectFault(diamond, "d", "a")).toMatch(/circle/);
    expect(connectFault(diamond, "b", "a")).toMatch(/circle/);
    expect(connectFault(diamond, "a", "b")).toMatch(/already/);
    expect(connectFault(diamond, "a", "a")).toMatch(/itself/);
    expect(disconnect(diamond, "a", "b").steps[1]).toEqual({ key: "b", name: "B" });
  });

  it("knows to which step and field an error of the server belongs", () => {
    expect(placeOf("steps[2].conditions[0].condition")).toEqual({ step: 2, field: "conditions[0].condition" });
    expect(placeOf("steps")).toEqual({ field: "steps" });
    expect(placeOf("teamId")).toEqual({ field: "teamId" });
  });
});
