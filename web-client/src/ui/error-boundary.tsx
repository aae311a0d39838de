import { Component, type ReactNode } from "react";
import { Button } from "./button";
import { ErrorNote } from "./notes";

interface Props {
  /** Another one is another try: the address of the screen. */
  resetKey: string;
  children: ReactNode;
}

/** What a screen shows that failed to load or to draw, in place of nothing; the rest of the page lives on. */
export class ErrorBoundary extends Component<Props, { error: Error | undefined }> {
  override state: { error: Error | undefined } = { error: undefined };

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override componentDidUpdate(before: Props): void {
    if (before.resetKey !== this.props.resetKey && this.state.error) this.setState({ error: undefined });
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    // A part of the page that was to be fetched could not be.
    const unreachable = /import|fetch|load/i.test(error.message);
    return (
      <main className="p-4 sm:p-6">
        <h1 className="sr-only">This screen cannot be shown</h1>
        <ErrorNote
          title={unreachable ? "This screen could not be fetched" : "This screen cannot be shown"}
          detail={unreachable ? "The server cannot be reached, or has been renewed meanwhile. Load the page again when it is back." : `Load the page again; if it happens again, tell whoever runs this server: ${error.message}`}
        >
          <Button className="mt-2" onClick={() => window.location.reload()}>
            Load the page again
          </Button>
        </ErrorNote>
      </main>
    );
  }
}
