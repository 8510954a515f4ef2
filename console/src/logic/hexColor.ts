/** Whether a text is a colour as the HTTP API takes it: `#RRGGBB`. */
export const isHexColor = (text: string): boolean => /^#[0-9a-f]{6}$/i.test(text);
