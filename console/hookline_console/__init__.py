"""The operator's side: the web page and the alarms. It reads what is stored, and steers."""
