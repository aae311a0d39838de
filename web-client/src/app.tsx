import { lazy } from "react";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";
import { InboxScreen } from "./inbox/inbox-screen";
import { SessionGate } from "./session/session-gate";
import { NotFound, Shell } from "./shell";

// The inbox is what opens first; every other screen is fetched when somebody goes there.
const Overview = lazy(() => import("./overview/overview-screen"));
const Processes = lazy(() => import("./process/processes-screen"));
const Process = lazy(() => import("./process/process-screen"));
const Rooms = lazy(() => import("./rooms/rooms-screen"));
const Room = lazy(() => import("./rooms/room-screen"));
const Teams = lazy(() => import("./teams/teams-screen"));
const Team = lazy(() => import("./teams/team-screen"));
const Agents = lazy(() => import("./agents/agents-screen"));
const Agent = lazy(() => import("./agents/agent-screen"));
const Designer = lazy(() => import("./designer/designer-screen"));
const Search = lazy(() => import("./search/search-screen"));
const AlertRules = lazy(() => import("./admin/alert-rules-screen"));
const Keys = lazy(() => import("./admin/keys-screen"));
const Audit = lazy(() => import("./admin/audit-screen"));
const Webhooks = lazy(() => import("./admin/webhooks-screen"));

export function App() {
  return (
    <SessionGate>
      <BrowserRouter>
        <Routes>
          <Route element={<Shell />}>
            <Route index element={<Navigate to="/inbox" replace />} />
            <Route path="inbox/:interventionId?" element={<InboxScreen />} />
            <Route path="search" element={<Search />} />
            <Route path="overview" element={<Overview />} />
            <Route path="processes" element={<Processes />} />
            <Route path="processes/:processId" element={<Process />} />
            <Route path="rooms" element={<Rooms />} />
            <Route path="rooms/:roomId" element={<Room />} />
            <Route path="teams" element={<Teams />} />
            <Route path="teams/:teamId" element={<Team />} />
            <Route path="agents" element={<Agents />} />
            <Route path="agents/:agentId" element={<Agent />} />
            <Route path="start" element={<Designer />} />
            <Route path="alert-rules" element={<AlertRules />} />
            <Route path="keys" element={<Keys />} />
            <Route path="audit" element={<Audit />} />
            <Route path="webhooks" element={<Webhooks />} />
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </BrowserRouter>
    </SessionGate>
  );
}
