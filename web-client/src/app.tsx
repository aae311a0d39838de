import { BrowserRouter, Navigate, Route, Routes } from "react-router";
import { InboxScreen } from "./inbox/inbox-screen";
import { ProcessScreen } from "./process/process-screen";
import { ProcessesScreen } from "./process/processes-screen";
import { SessionGate } from "./session/session-gate";
import { NotFound, Shell } from "./shell";

export function App() {
  return (
    <SessionGate>
      <BrowserRouter>
        <Routes>
          <Route element={<Shell />}>
            <Route index element={<Navigate to="/inbox" replace />} />
            <Route path="inbox/:interventionId?" element={<InboxScreen />} />
            <Route path="processes" element={<ProcessesScreen />} />
            <Route path="processes/:processId" element={<ProcessScreen />} />
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </BrowserRouter>
    </SessionGate>
  );
}
