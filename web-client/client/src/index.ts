/**
 * `@baton/client`: the typed client of a Baton server, for browsers and Node, without any user interface in it.
 *
 * `Connection` is the live side (commands and rooms), `Rest` the snapshots; `model` holds the types of both.
 */
export { Connection, type ConnectionOptions, type ConnectionState } from "./connection";
export type { CommandOptions, Reply } from "./commands";
export { newId } from "./ids";
export * from "./model";
export { BatonError, isTransient, localProblem, toBatonError } from "./problem";
export { Rest, type RestOptions } from "./rest";
export { type RoomListener, type RoomOptions, type RoomStatus, RoomSubscription } from "./room";
export type { Credentials, SocketLike } from "./socket";
