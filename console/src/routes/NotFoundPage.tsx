import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { EmptyNote } from "../components/EmptyNote";

export function NotFoundPage() {
  return (
    <div className="page">
      <EmptyNote
        icon="search"
        title="There is no such page"
        action={
          <Button component={Link} to="/devices">
            Go to devices
          </Button>
        }
      >
        The address may be mistyped, or the page may have moved.
      </EmptyNote>
    </div>
  );
}
