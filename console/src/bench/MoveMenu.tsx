import { Button, Menu } from "@mantine/core";

import { moveBoard } from "../api/actions";
import type { Board, Place } from "../api/types";
import { Icon } from "../components/Icon";
import { useBenchDo } from "./benchActions";
import { placeOfSpot, spotOf, spotsOf } from "./spots";

/** Carries a board without dragging it. */
export function MoveMenu({ board, places }: { board: Board; places: Place[] }) {
  const run = useBenchDo();
  return (
    <Menu position="bottom-start">
      <Menu.Target>
        <Button size="xs" variant="default" leftSection={<Icon name="move" size={16} />}>
          Move to…
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {spotsOf(places).map((spot) => (
          <Menu.Item
            key={spot.id}
            disabled={spot.id === spotOf(board)}
            onClick={() => run(() => moveBoard(board.id, placeOfSpot(spot.id)))}
          >
            {spot.name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
