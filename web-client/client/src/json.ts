/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** Any JSON object. */
export type JsonObject = { [key: string]: Json };
