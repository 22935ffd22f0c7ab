#!/usr/bin/env python3
"""A notify command for `vault remind`: posts the reminders to a chat.

    vault set CHAT_WEBHOOK          # the address that the chat gave you: who has it can post
    vault exec --only CHAT_WEBHOOK -- vault remind --notify 'command:./chat.py'

Slack, Mattermost and Rocket.Chat take `{"text": …}`; Discord wants "content". Any
status but 0 means that it did not arrive: `vault` tries again the next time. Add
`--alias` where others read along who should not know the names.

Needs Python 3.8.
"""

import json
import os
import sys
import urllib.error
import urllib.request

KEY = "text"

reminders = json.load(sys.stdin)
request = urllib.request.Request(
    os.environ["CHAT_WEBHOOK"],
    data=json.dumps({KEY: reminders["text"]}).encode(),
    headers={"Content-Type": "application/json"},
)
try:
    urllib.request.urlopen(request, timeout=20).close()
except urllib.error.HTTPError as error:
    sys.exit(f"the chat answered {error.code}")
except OSError as error:  # names the reason; the address is a secret
    sys.exit(f"the chat was not reached: {getattr(error, 'reason', error)}")
