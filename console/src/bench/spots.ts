import type { Board, Place } from "../api/types";

/** The drop target and menu entry that stands for "in transit". */
export const VAN = "van";

/** Where a board may be carried: every place, and the van. */
export function spotsOf(places: Place[]): { id: string; name: string }[] {
  return [...places.map(({ id, name }) => ({ id, name })), { id: VAN, name: "The van (in transit)" }];
}

export function spotOf(board: Pick<Board, "place">): string {
  return board.place ?? VAN;
}

export function placeOfSpot(spot: string): string | null {
  return spot === VAN ? null : spot;
}

/** Whether a place is drawn as a workshop; anything else is somebody's home. */
export function isWorkshop(place: Pick<Place, "name">): boolean {
  return /work\s?shop|factory|lab\b|office|bench|garage/i.test(place.name);
}
