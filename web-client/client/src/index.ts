/**
 * `@baton/client`: the typed client of a Baton server, for browsers and Node, without any user interface in it.
 *
 * `Connection` is the live side (commands and rooms), `Rest` the snapshots, `Agent` an agent on top of them; `model` holds the
 * types of all three.
 */
export { Agent, type AgentOptions, type Outputs, type StopOptions } from "./agent/agent.js";
export { type LossReason, StepFailure, StepLost, Unanswered } from "./agent/outcome.js";
export type { HandoffRequest, Question, Task } from "./agent/task.js";
export { Connection, type ConnectionOptions, type ConnectionState, type SignalListener } from "./connection.js";
export type { CommandOptions, Reply } from "./commands.js";
export { newId } from "./ids.js";
export { type IterateOptions, LogReset } from "./iterate.js";
export * from "./model.js";
export { BatonError, isTransient, localProblem, toBatonError } from "./problem.js";
export { Rest, type RestOptions } from "./rest.js";
export { type PostMessage, type RoomListener, type RoomOptions, type RoomStatus, RoomSubscription } from "./room.js";
export type { Credentials, SocketLike, Token } from "./socket.js";
export type { MessageStream } from "./stream.js";
