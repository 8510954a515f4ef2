// Settings of a Node-RED without editor and without any page of its own.
module.exports = {
  flowFile: 'flows.json',
  httpAdminRoot: false,
  httpNodeRoot: false,
  telemetry: { enabled: false },
  diagnostics: { enabled: false },
};
