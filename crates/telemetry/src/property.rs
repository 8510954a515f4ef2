//! Properties of datastreams: how a device wants them shown.

/// Properties that widgets have. Source: reference/http-api.md 6.
const PROPERTIES: [&str; 29] = [
    "label",
    "color",
    "isDisabled",
    "isHidden",
    "onLabel",
    "offLabel",
    "onColor",
    "offColor",
    "onBackColor",
    "offBackColor",
    "labels",
    "isOnPlay",
    "url",
    "urls",
    "opacity",
    "scale",
    "rotation",
    "step",
    "isMuted",
    "autoplay",
    "loop",
    "onImageUrl",
    "offImageUrl",
    "page",
    "min",
    "max",
    "suffix",
    "valueFormatting",
    "maximumFractionDigits",
];

/// Says whether a property exists.
#[must_use]
pub fn is_property(name: &str) -> bool {
    PROPERTIES.contains(&name)
}
