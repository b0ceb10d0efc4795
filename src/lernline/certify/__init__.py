"""From a completed course to a signed certificate: templates, criteria, credential, signing, verification, picture."""
