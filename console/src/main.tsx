import "./styles/mantine.css";
import "./styles/tokens.css";
import "./styles/page.css";
import "./styles/frame.css";

import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { queryClient } from "./api/queryClient";
import { App } from "./routes/App";
import { takeSignInCode } from "./logic/signInCode";
import { theme } from "./theme";

// Before anything else looks at the address: the code works once and must not stay in the history.
const signInCode = takeSignInCode(window.location, window.history);

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        withCssVariables={false}
        withGlobalClasses={false}
        deduplicateCssVariables={false}
      >
        <QueryClientProvider client={queryClient}>
          <App signInCode={signInCode} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
