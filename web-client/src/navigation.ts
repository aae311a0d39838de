import { Bot, ChartNoAxesCombined, Inbox, KeyRound, type LucideIcon, MessagesSquare, ScrollText, Search, Siren, Users, Webhook, Workflow } from "lucide-react";
import type { Operation } from "./session/session";

export interface Destination {
  to: string;
  label: string;
  icon: LucideIcon;
  /** The key that follows `g`. */
  key: string;
  /** Shown only to who may do this. */
  needs?: Operation;
}

/** At the head of every screen; `/` goes there too. */
export const SEARCH: Destination = { to: "/search", label: "Search", icon: Search, key: "s" };

/** What an operator goes to all day: at the foot of a phone. */
export const MAIN: Destination[] = [
  { to: "/inbox", label: "Inbox", icon: Inbox, key: "i" },
  { to: "/overview", label: "Overview", icon: ChartNoAxesCombined, key: "o" },
  { to: "/processes", label: "Processes", icon: Workflow, key: "p" },
  { to: "/rooms", label: "Rooms", icon: MessagesSquare, key: "r" },
];

export const PEOPLE: Destination[] = [
  { to: "/teams", label: "Teams", icon: Users, key: "t" },
  { to: "/agents", label: "Agents", icon: Bot, key: "a" },
];

export const ADMIN: Destination[] = [
  { to: "/alert-rules", label: "Alert rules", icon: Siren, key: "l", needs: "alert-rules:update" },
  { to: "/keys", label: "Keys and members", icon: KeyRound, key: "k", needs: "keys:manage" },
  { to: "/audit", label: "Audit", icon: ScrollText, key: "u", needs: "audit:read" },
  { to: "/webhooks", label: "Webhooks", icon: Webhook, key: "w", needs: "webhooks:manage" },
];
